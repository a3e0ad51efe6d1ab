import CTorchInterface
import CTorchLoader
import M2FPCore
import SystemPackage

/// The shim over libtorch, opened when it is first asked for: that takes half a second, and most of
/// what m2fp does needs no network.
public enum TorchLibrary {
  /// The folder that libM2FPTorch.so is looked for in first; nil, as at the start, for beside the
  /// executable and in ../lib/m2fp from there alone.
  ///
  /// For programs that embed the parser. It counts until the first network is loaded.
  public static var folder: FilePath? {
    get { searchedFolder.withLock { $0 } }
    set { searchedFolder.withLock { $0 = newValue } }
  }

  private static let searchedFolder = Locked<FilePath?>(nil)

  private static let opened: Result<m2fp_torch_api, RunFailure> = {
    var error = m2fp_torch_error()
    let api =
      if let folder {
        folder.withPlatformString { m2fp_torch_open($0, &error) }
      } else {
        m2fp_torch_open(nil, &error)
      }
    if let api { return .success(api.pointee) }
    return .failure(
      RunFailure(.libraryMissing, "cannot load libtorch: \(error.text)"))
  }()

  /// The shim's functions.
  ///
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/libraryMissing``.
  static func api() throws(RunFailure) -> m2fp_torch_api { try opened.get() }
}

extension m2fp_torch_error {
  /// The message as a string.
  var text: String {
    withUnsafeBytes(of: message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}
