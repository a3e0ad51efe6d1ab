/// An input with the place of its outputs.
public struct PlannedFile: Sendable {
  public let input: Input
  public let outputs: OutputNames

  package init(input: Input, outputs: OutputNames) {
    self.input = input
    self.outputs = outputs
  }
}
