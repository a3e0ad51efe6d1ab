import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

/// What a batch does with each file, and how.
public struct BatchOptions: Sendable {
  /// Cap on the long side of the network's input, 0 for none beyond the model's own.
  public var maxSide = 800
  /// What the sessions compute in.
  public var precision = Precision.float32
  /// Indices of the classes that get a mask where they are present.
  public var maskClasses: Set<Int> = []
  /// One colour a class.
  public var palette: [RGB] = []
  /// Into what other classes the model's are turned; masks, palette and all outputs are then of
  /// these.
  public var remap: ClassRemap?
  /// How the photo under translucent colours looks; nil for none.
  public var overlay: OverlayStyle?
  /// Which humans are persons; nil for no persons.
  public var persons: PersonRules?
  /// Indices of the classes that get a mask for each person; none without ``persons``.
  public var personMaskClasses: Set<Int> = []
  /// What is cut out of the photo; nil for nothing.
  public var cutout: Cutout?
  /// The folder that all outputs lie under; nil where they lie beside their inputs.
  public var outputRoot: FilePath?
  /// Where results are kept for other copies of an input; nil for nowhere.
  public var cache: ResultCache?
  /// Whether to parse files whose outputs are current.
  public var force = false
  /// Bytes.
  public var maxFileSize = 256 << 20
  public var limits = ImageLimits()
  /// After how many failed files the run stops; nil for never.
  public var maxErrors: Int?
  /// How long one file may take before it is declared failed; nil for any time.
  public var timeout: Duration?
  public var plan = ThreadPlan.single

  public init() {}

  /// What is cut out of a photo.
  public struct Cutout: Sendable, Equatable {
    /// Indices of the classes; nil for whole persons.
    public var classes: Set<Int>?
    /// Whether each person is cut out by itself.
    public var perPerson: Bool

    public init(classes: Set<Int>?, perPerson: Bool) {
      self.classes = classes
      self.perPerson = perPerson
    }
  }

  /// The classes of the outputs.
  func classes(of contract: ModelContract) -> [String] { remap?.classes ?? contract.classes }

  /// Whether outputs need the photo's own pixels.
  public var needPhoto: Bool { overlay != nil || cutout != nil }

  /// What a sidecar says of them.
  func recorded(contract: ModelContract) -> Sidecar.Options {
    let classes = classes(of: contract)
    func slugs(_ indices: Set<Int>) -> [String] {
      indices.sorted().map { ClassNames.slug(classes[$0]) }
    }
    return Sidecar.Options(
      maxSide: maxSide, precision: precision == .float32 ? nil : precision,
      masks: slugs(maskClasses), palette: palette.map(\.hex),
      overlay: overlay.map {
        Sidecar.Options.Overlay(
          format: $0.format, opacity: $0.opacity, outlines: $0.outlines, names: $0.font != nil)
      },
      persons: persons.map {
        let (pixels, share): (Int?, Double?) =
          switch $0.minSize {
          case .pixels(let count): (count, nil)
          case .share(let share): (nil, share)
          }
        return Sidecar.Options.Persons(
          minScore: $0.minScore, minPixels: pixels, minShare: share, maxOverlap: $0.maxOverlap,
          masks: slugs(personMaskClasses))
      },
      cutout: cutout.map {
        Sidecar.Options.Cutout(classes: $0.classes.map(slugs), perPerson: $0.perPerson)
      },
      remap: remap.map {
        Sidecar.Options.Remap(classes: $0.classes, table: $0.table.map(Int.init))
      })
  }
}
