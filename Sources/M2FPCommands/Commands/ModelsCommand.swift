import ArgumentParser
import FoundationEssentials
import M2FPCore
import M2FPInference
import SystemPackage

/// Lists the models that are installed.
struct ModelsCommand: ConfigurableCommand, ExplainedCommand {
  static let examples = [
    Example("m2fp models", "names, folders, licences"),
    Example("M2FP_MODELS=~/models m2fp models", "those of another folder, too"),
  ]

  static let explanation = """
    Models are .pt archives in the folders of M2FP_MODELS (separated by colons), \
    ~/.local/share/m2fp/models, and PREFIX/share/m2fp/models. 'python3 Models export' of m2fp's \
    sources makes one from an official checkpoint.
    """

  static let configuration = CommandConfiguration(
    commandName: "models", abstract: "List the models that are installed.",
    discussion: discussion)

  @Flag(help: "Print one JSON object a line.")
  var json = false

  @OptionGroup var configuration: ConfigurationOptions

  func run() throws {
    try Console.exiting {
      let locator = ModelLocator.standard
      let archives = locator.archives
      if archives.isEmpty {
        throw RunFailure(
          .modelMissing,
          "no model is installed. Looked in: \(locator.folders.map(\.string).joined(separator: ", "))."
        )
      }
      var seen: Set<String> = []
      for path in archives {
        let name = ModelLocator.name(path)
        let isFirst = seen.insert(name).inserted
        try list(path, name: name, isDefault: isFirst && name == ModelLocator.defaultModel)
      }
    }
  }

  private func list(_ path: FilePath, name: String, isDefault: Bool) throws {
    do throws(RunFailure) {
      let archive = try ModelArchive(path: path)
      let contract = archive.contract
      if json {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let row = Row(
          name: name, path: path.string, bytes: archive.size, isDefault: isDefault,
          contract: contract)
        Console.writeLine(
          machineReadable: String(decoding: (try? encoder.encode(row)) ?? Data(), as: UTF8.self))
        return
      }
      Console.writeLine(
        """
        \(name)\(isDefault ? " (default)" : "")
          \(path), \(ByteCount(archive.size))
          \(contract.tellsPersonsApart ? "many persons" : "persons as one"), \
        \(contract.classes.count) classes, input \(describe(contract.preprocess.geometry))
          licence \(contract.licence)\(contract.commercialUse ? "" : ": non-commercial use only")
        """)
      if let crops = contract.postprocess.crops {
        let parser = crops.network.map { ", and \($0) to parse them" } ?? ""
        Console.writeLine(
          "  needs \(crops.finder ?? ModelLocator.defaultModel) to find persons\(parser)")
      }
      if let notice = contract.notice { Console.writeLine("  \(notice)") }
    } catch {
      Console.writeError("m2fp: warning: \(error.text)\n")
    }
  }

  private struct Row: Encodable {
    let name: String
    let path: String
    let bytes: Int
    let isDefault: Bool
    let contract: ModelContract

    enum CodingKeys: String, CodingKey {
      case name, path, bytes, contract
      case isDefault = "default"
    }
  }

  private func describe(_ geometry: ModelContract.Preprocess.Geometry) -> String {
    switch geometry {
    case .multi(let shortSide, let maxSide): "short side \(shortSide), long side up to \(maxSide)"
    case .single(let width, let height, _), .stretch(let width, let height),
      .affine(let width, let height):
      "\(width)×\(height)"
    }
  }
}
