# Looks at inner loops of vector sums in a disassembly (llvm-objdump -d --no-show-raw-insn -C):
#
#   awk -v FUNCTION=REGEX -v SUM=REGEX -v LEAST=COUNT -f loops.awk
#
# tells how many sums (instructions that SUM matches) and instructions those loops of a function have that have LEAST
# sums at least. It is a failure that there is none, or that a whole vector is moved to or from the stack in one.
/^[0-9a-f]+ <.*>:$/ {
  is_asked = $0 ~ FUNCTION
  delete line_of
  count = 0
  next
}
is_asked && /^ *[0-9a-f]+:/ {
  address = $1
  sub(/:$/, "", address)
  line = $0
  sub(/^[^:]*:[ \t]*/, "", line)
  line_of[address] = ++count
  lines[count] = line
  # A jump back ends a loop: an inner one if no other ends within.
  if (line ~ /^(j[a-z]+|b\.[a-z]+|cbn?z|tbn?z)[ \t]/ && match(line, /0x[0-9a-f]+ </)) {
    target = substr(line, RSTART + 2, RLENGTH - 4)
    if (target in line_of) {
      first = line_of[target]
      sums = moves = 0
      for (i = first; i <= count && lines[i] != "loop"; i++) {
        if (lines[i] ~ SUM) sums++
        if (lines[i] ~ /^vmov[au]p.*[yz]mm.*\(%rsp\)|^vmov.*\(%rsp\).*[yz]mm|^(ldr|ldp|str|stp)[ \t]+q.*\[sp/) moves++
      }
      if (i > count && sums >= LEAST) {
        printf "%s: %d sums in %d instructions, %d moves to or from the stack\n", FUNCTION, sums, count - first + 1, moves
        loops++
        spills += moves
      }
      lines[count] = "loop"
    }
  }
}
END {
  if (!loops) print FUNCTION ": no loop of " LEAST " sums"
  exit !loops || spills
}
