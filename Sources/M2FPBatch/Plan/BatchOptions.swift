import M2FP
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

/// What a batch does with each file, and how.
public struct BatchOptions: Sendable {
  /// How photos are parsed, and what is made of the results.
  public var parsing = ParserOptions()
  /// The folder that all outputs lie under; nil where they lie beside their inputs.
  public var outputRoot: FilePath?
  /// Which symbolic links are followed, of those that were found on the way to a photo or lie below
  /// ``outputRoot``.
  public var links = LinkPolicy.own
  /// Where results are kept for other copies of an input; nil for nowhere.
  public var cache: ResultCache?
  /// Whether to parse files whose outputs are current.
  public var force = false
  /// Bytes.
  public var maxFileSize = 256 << 20
  /// After how many failed files the run stops; nil for never.
  public var maxErrors: Int?
  /// How long one file may take before it is declared failed; nil for any time.
  public var timeout: Duration?
  public var plan = ThreadPlan.single

  public init() {}

  /// How the way to a photo is gone.
  func rule(to input: Input) -> LinkRule { LinkRule(below: input.root, links) }

  /// How the way to the outputs of a photo is gone.
  func ruleToOutputs(of input: Input) -> LinkRule {
    LinkRule(below: outputRoot ?? input.root, links)
  }
}

extension Sidecar.Options {
  /// What a sidecar says of the options of `parser`.
  init(_ parser: Parser) {
    let options = parser.options
    let outputs = parser.encoder.selection
    func slugs(_ indices: Set<Int>) -> [String] {
      indices.sorted().map { ClassNames.slug(parser.classes[$0]) }
    }
    self.init(
      maxSide: options.maxSide, precision: options.precision == .float32 ? nil : options.precision,
      masks: slugs(outputs.masks), palette: outputs.palette.map(\.hex),
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
          masks: slugs(outputs.personMasks))
      },
      cutout: outputs.cutout.map {
        Cutout(classes: $0.classes.map(slugs), perPerson: $0.perPerson)
      },
      remap: options.remap.map { Remap(classes: $0.classes, table: $0.table.map(Int.init)) })
  }
}
