import ArgumentParser
import M2FPCore
import M2FPInference

/// Lists the classes of a model with their colours.
struct ClassesCommand: ConfigurableCommand, ExplainedCommand {
  static let examples = [
    Example("m2fp classes", "those of the default model"),
    Example("m2fp classes --remap atr", "those that --remap turns them into"),
  ]

  static let explanation = ""

  static let configuration = CommandConfiguration(
    commandName: "classes", abstract: "List a model's classes: index, mask name, colour, name.",
    discussion: discussion)

  @Option(help: "A model's name or file.", completion: .models)
  var model = ModelLocator.defaultModel

  @OptionGroup
  var labelSet: LabelSetOptions

  @OptionGroup var configuration: ConfigurationOptions

  func run() throws {
    try Console.exiting {
      let contract = try ModelLocator.standard.open(ModelReference(model)).contract
      let labels = try labelSet.resolve(for: contract)
      for (index, name) in labels.classes.enumerated() {
        let colour = labels.palette[index]
        let swatch: TerminalText =
          Console.outputTakesColour
          ? "\u{1B}[48;2;\(colour.red);\(colour.green);\(colour.blue)m  \u{1B}[0m " : ""
        let number = String(index)
        let slug = ClassNames.slug(name)
        let before = String(repeating: " ", count: max(0, 2 - number.count))
        let between = String(repeating: " ", count: max(1, 16 - slug.count))
        Console.writeLine("\(before)\(number)  \(swatch)\(colour.hex)  \(slug)\(between)\(name)")
      }
    }
  }
}

/// The `--palette` option's meaning.
enum PaletteOption {
  static let help: String =
    "Colours: voc, those of a set of --remap, or a file (JSON, GIMP .gpl, or one 'r g b name' a line). "
    + "Default: the model's own."

  /// One colour for each class.
  ///
  /// - Parameters:
  ///   - option: What was typed, if anything was.
  ///   - needed: How many colours there must be.
  ///   - otherwise: The colours where nothing was typed.
  /// - Returns: As many colours as classes.
  /// - Throws: `ValidationError` for a palette that cannot be read or is too short.
  static func colours(
    _ option: String?, classes needed: Int, otherwise: [RGB]
  ) throws -> [RGB] {
    guard let option else { return otherwise }
    let colours: [RGB]
    if option == "voc" {
      colours = Palette.voc.colours
    } else if let set = NamedClassSets.set(option) {
      colours = set.palette
    } else {
      let bytes = try OptionFile.read(option, option: "--palette") {
        NamedClassSets.hint(option, besides: ["voc"])
      }
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw ValidationError("--palette \(option): it is no text.")
      }
      do {
        colours = try Palette(parsing: text).colours
      } catch {
        throw ValidationError("--palette \(option): \(error)")
      }
    }
    guard colours.count >= needed else {
      throw ValidationError(
        "--palette \(option) has \(colours.count) colours, and there are \(needed) classes.")
    }
    return Array(colours.prefix(needed))
  }
}
