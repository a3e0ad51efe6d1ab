import M2FPCore
import M2FPImageIO

/// What a batch does with each file, and how.
public struct BatchOptions: Sendable {
  /// Cap on the long side of the network's input, 0 for none beyond the model's own.
  public var maxSide = 800
  /// Indices of the classes that get a mask where they are present.
  public var maskClasses: Set<Int> = []
  /// One colour a class.
  public var palette: [RGB] = []
  /// Whether to write the photo under translucent colours.
  public var overlay = false
  /// The folder that all outputs lie under; nil where they lie beside their inputs.
  public var outputRoot: String?
  /// Whether to parse files whose outputs are current.
  public var force = false
  /// Bytes.
  public var maxFileSize = 256 << 20
  public var limits = ImageLimits()
  public var plan: ThreadPlan

  public init(plan: ThreadPlan) {
    self.plan = plan
  }

  func recorded(contract: ModelContract) -> Sidecar.Options {
    Sidecar.Options(
      maxSide: maxSide,
      masks: maskClasses.sorted().map { ClassNames.slug(contract.classes[$0]) },
      palette: palette.map(\.hex), overlay: overlay)
  }
}
