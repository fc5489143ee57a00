import { coordinatorsContract } from './coordinators-contract.ts'
import { sharedFolder } from './coordinators.ts'

coordinatorsContract('a stand-in for a database', sharedFolder)
