/// The class names of a data set, the background first.
public struct ClassSet: Sendable, Equatable {
  public let names: [String]

  public init(names: [String]) {
    self.names = names
  }

  /// Those that need no file.
  public static let builtIn: [String: ClassSet] = ["cihp": cihp, "lip": lip]

  public static let cihp = ClassSet(names: [
    "Background", "Hat", "Hair", "Gloves", "Sunglasses", "UpperClothes", "Dress", "Coat", "Socks",
    "Pants", "Torso-skin", "Scarf", "Skirt", "Face", "Left-arm", "Right-arm", "Left-leg",
    "Right-leg", "Left-shoe", "Right-shoe",
  ])

  /// CIHP's, but for two.
  public static let lip = ClassSet(
    names: cihp.names.map { ["Gloves": "Glove", "Torso-skin": "Jumpsuits"][$0] ?? $0 })
}
