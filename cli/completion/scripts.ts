/** A script for each shell. It asks keyferry itself for candidates, and falls back to the names of files. */
export const COMPLETION_SCRIPTS = {
  bash: `_keyferry() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    [[ -n $line ]] && COMPREPLY+=("$line")
  done < <(keyferry completion words -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  [[ \${COMPREPLY[0]-} == */ ]] && compopt -o nospace
  return 0
}
complete -o default -F _keyferry keyferry
`,
  zsh: `#compdef keyferry
_keyferry() {
  local -a found
  found=("\${(@f)$(keyferry completion words -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  found=(\${found:#})
  if (( \${#found} )); then compadd -Q -S '' -- \${(M)found:#*/}; compadd -- \${found:#*/}; else _files; fi
}
compdef _keyferry keyferry
`,
  fish: `function __keyferry_candidates
  set -l words (commandline -opc) (commandline -ct)
  set -l found (keyferry completion words -- $words[2..-1] 2>/dev/null)
  if test (count $found) -gt 0
    printf '%s\\n' $found
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c keyferry -f -a '(__keyferry_candidates)'
`,
} as const;
