import ArgumentParser

/// The network's arithmetic.
struct PrecisionOption: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The network's arithmetic. Default, and the only one offered: float32.",
      valueName: "float32"))
  var precision = "float32"

  func validate() throws {
    switch precision {
    case "float32": break
    case "half", "float16", "fp16":
      throw ValidationError(
        "--precision \(precision): libtorch 1.13 has no half-precision kernels for CPUs. Leave the "
          + "option out to compute in float32; Models/export.py --half halves the archive.")
    case "bf16", "bfloat16", "int8":
      throw ValidationError(
        "--precision \(precision) is not offered: nobody has shown yet that a model keeps its labels "
          + "in it (Examples/benchmark). Leave the option out to compute in float32.")
    default:
      throw ValidationError("--precision is float32, not '\(precision)'.")
    }
  }
}
