import type { Command } from 'commander'
import { AppError } from './errors.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const

/** By path of commands (`''`: the program itself), the words that may follow. */
type Words = Map<string, string[]>

/** Adds `completion SHELL`, which prints a script that completes the program's commands and flags. */
export function addCompletion(cli: Command, whole: () => Promise<Command>): void {
  const name = cli.name()
  cli
    .command('completion')
    .argument('<shell>', SHELLS.join(', '))
    .description('print a shell completion script')
    .addHelpText(
      'after',
      `
Examples:
  ${name} completion bash > ~/.local/share/bash-completion/completions/${name}
  source <(${name} completion zsh)
  ${name} completion fish > ~/.config/fish/completions/${name}.fish
`,
    )
    .action(async (shell: string) => {
      if (!SHELLS.some((one) => one === shell)) {
        const message = `Unknown shell '${shell}': use ${SHELLS.join(', ')}.`
        throw new AppError('usage', message)
      }
      process.stdout.write(completionScript(name, wordsOf(await whole()), shell))
    })
}

/** After each command: its subcommands and flags. */
export function wordsOf(cli: Command): Words {
  const words: Words = new Map()
  const visit = (command: Command, path: string[]): void => {
    const flags = command.options.flatMap(({ long, hidden }) => (long && !hidden ? [long] : []))
    const below = command.commands.map((one) => one.name())
    words.set(path.join(' '), [...below, ...flags, '--help'])
    for (const one of command.commands) visit(one, [...path, one.name()])
  }
  visit(cli, [])
  return words
}

export function completionScript(program: string, words: Words, shell: string): string {
  return shell === 'fish' ? fish(program, words) : posix(program, words, shell === 'zsh')
}

/** zsh runs bash completions (zshcompsys(1), bashcompinit). */
function posix(program: string, words: Words, isZsh: boolean): string {
  const name = `_${program.replaceAll('-', '_')}`
  const cases = [...words].map(([path, list]) => `    '${path}') words='${list.join(' ')}' ;;`)
  const init = isZsh
    ? 'autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n'
    : ''
  return `${init}${name}() {
  local path='' words='' word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in
      -*) ;;
      *) case " ${[...words.keys()].map((path) => path.replaceAll(' ', '/')).join(' ')} " in
           *" \${path:+$path/}$word "*) path="\${path:+$path/}$word" ;;
         esac ;;
    esac
  done
  case "\${path//\\// }" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F ${name} ${program}
`
}

function fish(program: string, words: Words): string {
  const lines = [...words].flatMap(([path, list]) => {
    const seen = path.split(' ').map((one) => `__fish_seen_subcommand_from ${one}`)
    const condition = path === '' ? '__fish_use_subcommand' : seen.join('; and ')
    return list.map((word) =>
      word.startsWith('--')
        ? `complete -c ${program} -n '${condition}' -l ${word.slice(2)}`
        : `complete -c ${program} -n '${condition}' -f -a ${word}`,
    )
  })
  return `${lines.join('\n')}\n`
}
