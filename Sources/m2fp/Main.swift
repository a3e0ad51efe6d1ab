import M2FPCommands

@main
struct Main {
  static func main() {
    M2FPCommand.run(M2FPCommand.joiningPairs(Array(CommandLine.arguments.dropFirst())))
  }
}
