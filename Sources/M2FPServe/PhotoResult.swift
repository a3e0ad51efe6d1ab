import FoundationEssentials
import M2FPCore
import M2FPImageIO
import M2FPResults
import SystemPackage

/// All that is made of a photo, in memory.
package struct PhotoResult: Sendable {
  /// One output.
  package struct File: Sendable {
    /// What follows the photo's stem in the path.
    package let suffix: [UInt8]
    package let kind: OutputKind
    package let bytes: Data
  }

  /// What identifies it: the photo's bytes, the model and the options. 64 hexadecimal digits.
  package let key: String
  /// As for a photo whose name and stem are empty.
  package let sidecar: Sidecar
  package let files: [File]
  /// Oddities of the photo, in the decoding library's words.
  package let warnings: [String]
  package let times: StageTimes

  /// Bytes that it holds, nearly.
  package var size: Int { files.reduce(4096) { $0 + $1.bytes.count } }

  /// The output of a kind; nil where there is none.
  package func file(_ kind: OutputKind) -> File? { files.first { $0.kind == kind } }

  /// The overlay, whatever its format.
  package var overlay: File? {
    files.first { if case .overlay = $0.kind { true } else { false } }
  }

  /// The obscured photo, whatever its format.
  package var obscured: File? {
    files.first { if case .obscured = $0.kind { true } else { false } }
  }

  /// The text of the sidecar that lies beside the outputs of a photo of this name.
  ///
  /// - Throws: ``FileFailure`` where a score is no number.
  package func json(named name: FilePath, stem: [UInt8]) throws(FileFailure) -> Data {
    if let text = try? sidecar.renamed(input: name, from: [], to: stem).encoded() { return text }
    throw FileFailure(stage: .encode, code: .inference, message: "a score is not a number")
  }
}
