import ArgumentParser
import M2FPCore

/// Options about what is done to masks before they are written, in this order.
struct MaskOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "In masks close holes of at most so many pixels. This and the next four change no class map, and "
        + "are done in this order.", valueName: "pixels"))
  var fillHoles = 0

  @Option(
    help: ArgumentHelp(
      "From masks leave out regions of less than so many pixels.", valueName: "pixels"))
  var minRegion = 0

  @Option(
    help: ArgumentHelp(
      "Smooth the edges of masks: a pixel becomes what most are of the square that reaches so far to each "
        + "side.", valueName: "pixels"))
  var smooth = 0

  @Option(help: ArgumentHelp("Grow masks at their edges.", valueName: "pixels"))
  var grow = 0

  @Option(help: ArgumentHelp("Shrink masks at their edges.", valueName: "pixels"))
  var shrink = 0

  /// The names of those that ``OptionConflicts`` knows and that were given.
  var given: Set<String> {
    Set([(grow > 0, "grow"), (shrink > 0, "shrink")].filter(\.0).map(\.1))
  }

  func validate() throws {
    for (name, value, most) in [
      ("fill-holes", fillHoles, Int(Int32.max)), ("min-region", minRegion, Int(Int32.max)),
      ("smooth", smooth, 100), ("grow", grow, 1000), ("shrink", shrink, 1000),
    ] where !(0...most).contains(value) {
      throw ValidationError("--\(name) is 0 to \(most) pixels.")
    }
  }

  var operations: MaskOperations {
    MaskOperations(
      fillHoles: fillHoles, minRegion: minRegion, smooth: smooth, grow: grow - shrink)
  }
}
