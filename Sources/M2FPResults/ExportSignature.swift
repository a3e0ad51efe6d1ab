import M2FPFiles

/// How the exports that are one file begin, so that one which lies among photos is known for what it is,
/// whatever its name. Those that are folders bear a mark (``AtomicFolder/marker``).
package enum ExportSignature {
  package static let sheet = """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="generator" content="m2fp
    """
  package static let coco = #"{"info":{"description":"persons and their parts, by m2fp","#

  /// As many bytes as tell.
  package static let size = max(sheet.utf8.count, coco.utf8.count)

  /// Whether a file is an export.
  ///
  /// - Parameter beginning: The first ``size`` bytes, or all there are.
  /// - Returns: Whether it is.
  package static func begins(_ beginning: some Collection<UInt8>) -> Bool {
    [sheet, coco].contains { beginning.starts(with: $0.utf8) }
  }
}
