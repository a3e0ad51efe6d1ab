import ArgumentParser
import M2FPCore

/// The network's arithmetic.
struct PrecisionOption: ParsableArguments {
  // A string, so that the precisions that are not offered get a reason.
  @Option(
    name: .customLong("precision"),
    help: ArgumentHelp(
      """
      The network's arithmetic: float32, or int16 for products of integers, which is faster and \
      moves a few pixels in ten thousand to another class.
      """, valueName: "float32|int16"),
    completion: .list(Precision.allCases.map(\.rawValue)))
  var name = Precision.float32.rawValue

  /// The precision that was asked for.
  ///
  /// What is no precision does not pass ``validate()``.
  var precision: Precision { Precision(rawValue: name) ?? .float32 }

  func validate() throws {
    guard Precision(rawValue: name) == nil else { return }
    switch name {
    case "half", "float16", "fp16":
      throw ValidationError(
        "--precision \(name): libtorch 1.13 has no half-precision kernels for CPUs. Leave the "
          + "option out to compute in float32; 'python3 Models export --half' halves the archive.")
    case "bf16", "bfloat16", "int8":
      throw ValidationError(
        "--precision \(name) is not offered: on CPUs without instructions for it nothing is gained "
          + "that int16 does not give with better labels (Examples/benchmark).")
    default:
      throw ValidationError("--precision is float32 or int16, not '\(name)'.")
    }
  }
}
