import Dispatch
import M2FP
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

/// What a batch does with each file; how photos are parsed, its ``Parser`` says.
public struct BatchOptions: Sendable {
  /// The folder that all outputs lie under; nil where they lie beside their inputs.
  public var outputRoot: FilePath?
  /// Which symbolic links are followed, of those that were found on the way to a photo.
  public var links = LinkPolicy.own
  /// Where results are kept for other copies of an input; nil for nowhere.
  public var cache: ResultCache?
  /// Whether to make anew what is current.
  public var force = false
  /// Whether class maps that a person has corrected are replaced, too.
  public var overwriteEdited = false
  /// Bytes.
  public var maxFileSize = 256 << 20
  /// Bytes that the run may hold; nil for what the control group or the machine has.
  public var memoryLimit: Int?
  /// After how many failed files the run stops; nil for never.
  public var maxErrors: Int?
  /// How long one file may take before it is declared failed; nil for any time.
  public var timeout: Duration?
  /// How much longer the network may take to be loaded, which is done in the first file's time.
  var loadingAllowance = Duration.seconds(60)
  /// The system's time in nanoseconds, by which that is told.
  var uptime: @Sendable () -> UInt64 = { DispatchTime.now().uptimeNanoseconds }
  /// The version that sidecars name.
  public var version = ""

  public init() {}
}

extension Sidecar.Options {
  /// What a sidecar says of the options of a run.
  ///
  /// - Parameters:
  ///   - options: How photos are parsed.
  ///   - encoder: What is made of the results.
  package init(_ options: ParserOptions, encoder: ResultEncoder) {
    let outputs = encoder.selection
    func slugs(_ indices: Set<Int>) -> [String] {
      indices.sorted().map { ClassNames.slug(encoder.classes[$0]) }
    }
    self.init(
      maxSide: options.maxSide, precision: options.precision == .float32 ? nil : options.precision,
      quality: options.quality == .standard ? nil : options.quality,
      masks: slugs(outputs.masks),
      maskOperations: outputs.maskOperations == MaskOperations() ? nil : outputs.maskOperations,
      palette: outputs.palette.map(\.hex),
      overlay: outputs.overlay.map {
        Overlay(
          format: $0.format, opacity: $0.opacity, outlines: $0.outlines, names: $0.font != nil)
      },
      persons: options.persons.map {
        let (pixels, share): (Int?, Double?) =
          switch $0.minSize {
          case .pixels(let count): (count, nil)
          case .share(let share): (nil, share)
          }
        return Persons(
          minScore: $0.minScore, minPixels: pixels, minShare: share, maxOverlap: $0.maxOverlap,
          map: outputs.personMap, masks: slugs(outputs.personMasks))
      },
      cutout: outputs.cutout.map {
        Cutout(classes: $0.classes.map(slugs), perPerson: $0.perPerson, style: $0.style)
      },
      obscured: outputs.obscured.map {
        Obscured(
          style: $0.obscuring.style, classes: slugs($0.obscuring.heads.union($0.obscuring.others)),
          grow: $0.obscuring.grow, format: $0.format)
      },
      remap: options.remap.map(Remap.init))
  }
}
