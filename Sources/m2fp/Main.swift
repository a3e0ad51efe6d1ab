import ArgumentParser
import M2FPCommands

@main
struct Main {
  static func main() {
    M2FPCommand.main()
  }
}
