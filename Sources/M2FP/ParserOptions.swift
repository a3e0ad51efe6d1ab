import M2FPCore
import M2FPImageIO

/// How photos are parsed, and which pictures are made of the results.
public struct ParserOptions: Sendable, Equatable {
  /// Cap on the long side of the network's input in pixels, 0 for none beyond the model's own.
  public var maxSide = 800
  /// What the network computes in.
  public var precision = Precision.float32
  /// How much is done beyond one run of the network.
  public var quality = Quality.standard
  /// How large a photo may be.
  public var limits = ImageLimits()
  /// Whether a damaged photo of which a picture is left is refused instead of parsed with a warning.
  public var refusesDamaged = false
  /// Which humans are persons; nil for no persons.
  public var persons: PersonRules?
  /// Into what other classes the model's are turned; all pictures are then of these.
  public var remap: ClassRemap?
  /// The pictures that ``Parser/encode(_:)`` makes. An empty palette stands for the model's.
  public var outputs = OutputSelection()

  public init() {}
}
