import M2FPCommands

@main
struct Main {
  static func main() {
    M2FPCommand.run(M2FPCommand.processArguments)
  }
}
