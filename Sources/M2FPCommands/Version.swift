import CBuildInfo
import M2FPCore
import M2FPInference

/// This version of m2fp.
enum Version {
  /// Everything that bears a version takes it from here: results, Makefile, packages.
  static let current = "0.2.0"
  static let released = "November 30, 2026"

  /// With the commit, where it is known.
  static let described: String = {
    let commit = String(cString: m2fp_commit)
    return commit.isEmpty ? current : "\(current) (\(commit))"
  }()

  /// What `m2fp --version` prints: a line for each thing that decides what comes out.
  static var report: String {
    let torch: String
    do throws(RunFailure) {
      torch = try TorchRuntimeInfo().torchVersion
    } catch {
      torch = "not there: \(error.text)"
    }
    let model: String
    do throws(RunFailure) {
      let archive = try ModelLocator.standard.open(.named(ModelLocator.defaultModel))
      model = "\(archive.contract.model), sha256 \(try archive.digest())"
    } catch {
      model = "not there: \(error.text)"
    }
    return "m2fp \(described)\nlibtorch \(torch)\nmodel \(model)"
  }
}
