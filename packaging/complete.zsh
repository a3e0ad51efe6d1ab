# Types into a zsh of its own, and says what a tab completes.
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
zpty shell zsh -f -i
# The quotes keep the echo of the line apart from what it prints.
zpty -w shell 'PROMPT=; autoload -U compinit; compinit -u -D; bindkey "^I" complete-word; print RE""ADY'
await READY
for typed completed in 'm2fp pa' parse 'm2fp help exi' exit-codes; do
  seen=
  zpty -n -w shell $typed$'\t'
  await $completed && print "zsh: $typed: $completed"
  zpty -n -w shell $'\C-u'
done
zpty -d shell
