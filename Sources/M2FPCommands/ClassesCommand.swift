import ArgumentParser
import Foundation
import M2FPCore
import M2FPInference

/// Lists the classes of a model with their colours.
struct ClassesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "classes", abstract: "List a model's classes: index, mask name, colour, name.")

  @Option(help: "A model's name or file.")
  var model = ModelLocator.defaultModel

  @Option(help: ArgumentHelp(PaletteOption.help, valueName: "cihp|voc|FILE"))
  var palette: String?

  func run() throws {
    try Console.exiting {
      let contract = try ModelLocator.current().open(model).contract
      let colours = try PaletteOption.colours(palette, contract: contract)
      for (index, name) in contract.classes.enumerated() {
        let colour = colours[index]
        let swatch =
          Console.outputTakesColour
          ? "\u{1B}[48;2;\(colour.red);\(colour.green);\(colour.blue)m  \u{1B}[0m " : ""
        let number = String(index)
        let slug = ClassNames.slug(name)
        Console.writeLine(
          String(repeating: " ", count: max(0, 2 - number.count)) + number + "  " + swatch
            + colour.hex + "  " + slug
            + String(repeating: " ", count: max(1, 16 - slug.count)) + name)
      }
    }
  }
}

/// The `--palette` option's meaning.
enum PaletteOption {
  static let help: String =
    "Colours: cihp, voc, or a file (JSON, GIMP .gpl, or one 'r g b name' a line). "
    + "Default: the model's own."

  /// One colour for each class of the contract.
  ///
  /// - Throws: `ValidationError` for a palette that cannot be read or is too short.
  static func colours(_ option: String?, contract: ModelContract) throws -> [RGB] {
    guard let option else { return contract.palette }
    let colours: [RGB]
    if let builtIn = Palette.builtIn[option] {
      colours = builtIn.colours
    } else {
      guard let text = try? String(contentsOfFile: option, encoding: .utf8) else {
        throw ValidationError(
          "--palette \(option): not 'cihp' or 'voc', and no text file of that name can be read.")
      }
      do {
        colours = try Palette(parsing: text).colours
      } catch {
        throw ValidationError("--palette \(option): \(error)")
      }
    }
    let needed = contract.classes.count
    guard colours.count >= needed else {
      throw ValidationError(
        "--palette \(option) has \(colours.count) colours, and the model \(needed) classes.")
    }
    return Array(colours.prefix(needed))
  }
}
