/// Identity of a model: what a result was made with.
public struct ModelIdentity: Sendable, Equatable, Codable {
  public let name: String
  /// Of the whole archive, in hexadecimal.
  public let sha256: String

  public init(name: String, sha256: String) {
    self.name = name
    self.sha256 = sha256
  }
}
