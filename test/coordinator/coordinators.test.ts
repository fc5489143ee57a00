import { describe } from 'node:test'
import { coordinatorsContract } from './coordinators-contract.ts'
import { sharedFolder } from './coordinators.ts'

// The runner counts a test for the file in which its outermost suite stands.
describe('several coordinators', () =>
  coordinatorsContract('a stand-in for a database', sharedFolder))
