import M2FPCommands

@main
struct Main {
  static func main() {
    M2FPCommand.run(Array(CommandLine.arguments.dropFirst()))
  }
}
