import M2FPCommands

@main
struct Main {
  static func main() {
    M2FPCommand.run(M2FPCommand.joiningPairs(M2FPCommand.processArguments))
  }
}
