# Types into a zsh and into a bash, each of its own, and says what a tab completes.
zmodload zsh/zpty
typeset -g seen
# Reads until a text is there, for a minute at most.
await() {
  local more
  for _ in {1..600}; do
    while zpty -r -t shell more; do seen+=$more; done
    [[ $seen == *$1* ]] && return
    sleep 0.1
  done
  return 1
}
# The quotes keep the echo of the line apart from what it prints.
typeset -A begin=(
  zsh 'PROMPT=; autoload -U compinit; compinit -u -D; bindkey "^I" complete-word; print RE""ADY'
  bash 'PS1=; . /usr/share/bash-completion/bash_completion; echo RE""ADY'
)
for name start in zsh 'zsh -f -i' bash 'bash --norc --noprofile -i'; do
  seen=
  zpty shell $start
  zpty -w shell $begin[$name]
  await READY
  for typed completed in 'm2fp pa' parse 'm2fp help exi' exit-codes; do
    seen=
    zpty -n -w shell $typed$'\t'
    await $completed && print "$name: $typed: $completed"
    zpty -n -w shell $'\C-u'
  done
  zpty -d shell
done
