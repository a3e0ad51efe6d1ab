import M2FPCore
import SystemPackage

/// What to do about a failure, by the options, commands and scripts that a user of the command line
/// has: the only place that tells of them. What failed is said where it fails.
enum Remedies {
  /// The end of "cannot …: REMEDY"; nil where the message says it all.
  static func remedy(for failure: FileFailure) -> String? {
    switch (failure.code, failure.detail) {
    case (.fileTooLarge, .overLimit):
      "raise it with --max-file-size"
    case (.imageTooLarge, .overLimit):
      "raise it with --max-pixels, or scale the image down"
    case (.libraryMissing, .missingLibrary(let library)):
      "install \(debianPackage(of: library))"
    case (.outOfMemory, _):
      failure.stage == .infer ? "use fewer --jobs or a smaller --max-side" : "use fewer --jobs"
    case (.timeout, _):
      "allow more with --timeout, or look to the disks and the load"
    case (.notAFile, .folderNamedAsImage):
      "rename it, or name it on the command line to parse what is in it"
    case (.unreadable, .zeroByte):
      "add -0 if zero bytes end the paths"
    case (.outputCollision, .sameOutputs(fullNamesDiffer: true)):
      "use --naming full to name outputs after the whole file name"
    case (.outputCollision, .sameOutputs(fullNamesDiffer: false)):
      "parse them in two runs with different --out folders"
    case (.edited, _):
      "--overwrite-edited replaces it, and its corrections are lost"
    case (.missing, .notParsed):
      "parse it first"
    case (.diskFull, _):
      "free some space and run again"
    case (.unreadable, _), (.outputNotWritable, _):
      failure.underlying.flatMap { remedy(for: $0, in: failure.stage, elsewhere: "--out DIR") }
    default:
      nil
    }
  }

  /// The package that Debian brings a library in, named after it: libtiff6 for `libtiff.so.6`.
  static func debianPackage(of library: String) -> String {
    library.replacing(".so.", with: "", maxReplacements: 1)
  }

  /// What to do where the system refuses to read or to write; `option` says where else to write.
  private static func remedy(
    for error: Errno, in stage: Stage, elsewhere option: String
  ) -> String? {
    switch error {
    case .tooManyOpenFiles, .tooManyOpenFilesInSystem:
      "raise the limit (ulimit -n) or use fewer --jobs"
    case .ioError, .staleNFSFileHandle:
      "look to the disk or the mount"
    case _ where stage == .read:
      nil
    case .fileNameTooLong:
      "give the photo a shorter name"
    case .isDirectory, .fileExists, .directoryNotEmpty:
      "move it away or write elsewhere with \(option)"
    case .readOnlyFileSystem, .fileTooLarge:
      "write elsewhere with \(option)"
    default:
      "make it writable or write elsewhere with \(option)"
    }
  }

  /// A sentence; nil where the message says it all.
  static func remedy(for failure: RunFailure) -> String? {
    switch failure.detail {
    case .locked:
      "Run again when it is done, or wait for it with --lock wait."
    case .notLockable:
      "Make the folder writable, or leave out the lock with --lock off if no other run writes there."
    case .stuckFiles:
      "Look to the disks and the load, and run again, or allow more with --timeout."
    case .noResults:
      "Parse the photos first: 'm2fp parse DIR'."
    case .tooFewThreads:
      "Raise the limit (ulimit -u, or pids.max of the control group), or use fewer --jobs and --threads."
    case .nothingSelected:
      "Look at --include and --exclude."
    case .noSuchModel:
      "Give a file, or set M2FP_MODELS to the folder that holds it."
    case .damagedModel:
      "Copy or export it anew; 'm2fp doctor' shows which models are sound."
    case .untrustedModel(let digest):
      "A model is a program. If you trust who made this one, say --trust-model \(digest)."
    case .otherModel(let digest):
      "If this is the one that you mean, say --model-sha256 \(digest)."
    case .noContract:
      "Make one with 'python3 Models export'."
    case .unusableContract:
      "Export the model anew with 'python3 Models export'."
    case .contractVersion(isNewer: true):
      "Update m2fp, or export the model anew with this version's 'python3 Models export'."
    case .contractVersion(isNewer: false):
      "Export the model anew with this version's 'python3 Models export'."
    case .noJobArray:
      "Start m2fp by 'sbatch --array=1-N', or name the shard as --shard I/N."
    case .unevenJobArray:
      "Use --array=1-N, or name the shard as --shard I/N."
    case .destination(let destination):
      failure.cause.flatMap { remedy(for: $0, of: destination) }
    case nil:
      switch failure.kind {
      case .libraryMissing:
        "Install m2fp again; where it is built from source, 'make setup' installs libtorch, and "
          + "'make build' or 'make install' puts m2fp's own library beside the program."
      case .modelMissing where failure.underlying != nil:
        "'m2fp models' lists the models that are installed."
      default: nil
      }
    }
  }

  private static func remedy(
    for cause: FileFailure, of destination: RunFailure.Destination
  ) -> String? {
    if cause.code == .diskFull {
      let whole = "what is written is whole, and the next run goes on from there."
      return destination == .results
        ? "Free some space and run again: \(whole)" : "Free some space and run again."
    }
    let option =
      switch destination {
      case .results: "--out DIR"
      case .cache: "--cache DIR"
      case .failureList: "--failed-to FILE"
      case .export: "another path"
      }
    guard let error = cause.underlying,
      let remedy = remedy(for: error, in: cause.stage, elsewhere: option)
    else { return nil }
    return remedy.prefix(1).uppercased() + remedy.dropFirst() + "."
  }
}

extension FileFailure {
  /// What failed and what to do about it, in one line without a full stop.
  var text: String { Remedies.remedy(for: self).map { "\(message): \($0)" } ?? message }
}

extension RunFailure {
  /// What failed and what to do about it, in sentences.
  var text: String {
    let sentence = message.last.map { ".?!".contains($0) } ?? false ? message : message + "."
    return Remedies.remedy(for: self).map { "\(sentence) \($0)" } ?? sentence
  }
}
