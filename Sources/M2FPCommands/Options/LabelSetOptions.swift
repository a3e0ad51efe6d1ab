import ArgumentParser
import FoundationEssentials
import M2FPCore

/// Options about the classes that outputs are in, and their colours.
struct LabelSetOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Turn the classes into another set's: \(NamedClassSets.list) (hair, face, top, bottom, \
      skin, shoes), or a JSON file {"classes": [...], "map": {"Coat": "Upper-clothes", ...}}, or the \
      same in a TOML file. Default: the model's own classes.
      """, valueName: "set|file"),
    completion: .file(extensions: ["json", "toml"]))
  var remap: String?

  @Option(
    help: ArgumentHelp(PaletteOption.help, valueName: "voc|set|file"), completion: .file())
  var palette: String?

  /// The classes that results are put into.
  struct LabelSet {
    /// How the model's classes become these; nil where they stay as they are.
    let remap: ClassRemap?
    let classes: [String]
    let palette: [RGB]
  }

  /// The classes that results are put into, and their colours.
  ///
  /// - Parameters:
  ///   - modelClasses: The network's.
  ///   - classes: Those of the results where nothing is turned.
  ///   - palette: Their colours where nothing else is asked for.
  /// - Returns: What the options mean.
  /// - Throws: `ValidationError` for a table or a palette that cannot be read, or does not fit.
  func resolve(
    modelClasses: [String], classes: [String], palette: [RGB]
  ) throws -> LabelSet {
    let remap = try table(modelClasses: modelClasses)
    let classes = remap?.classes ?? classes
    return LabelSet(
      remap: remap, classes: classes,
      palette: try PaletteOption.colours(
        self.palette, classes: classes.count, otherwise: remap?.palette ?? palette))
  }

  func resolve(for contract: ModelContract) throws -> LabelSet {
    try resolve(
      modelClasses: contract.classes, classes: contract.classes, palette: contract.palette)
  }

  /// The table that `--remap` means; nil for none.
  ///
  /// - Throws: `ValidationError` for one that cannot be read, or does not fit the model.
  private func table(modelClasses: [String]) throws -> ClassRemap? {
    guard let remap else { return nil }
    let json = try NamedClassSets.json(remap, option: "--remap")
    do throws(ClassRemapError) {
      return try ClassRemap(json: json, modelClasses: modelClasses)
    } catch {
      throw ValidationError("--remap \(remap): \(error)")
    }
  }
}
