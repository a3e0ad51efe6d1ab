import CTorchLoader
import M2FPCore

/// The shim over libtorch, opened when it is first asked for: that takes half a second, and most of
/// what m2fp does needs no network.
enum TorchLibrary {
  private static let opened: Result<m2fp_torch_api, RunFailure> = {
    var error = m2fp_torch_error()
    if let api = m2fp_torch_open(&error) { return .success(api.pointee) }
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
