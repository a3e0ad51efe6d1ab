import M2FPCore

/// A picture of a confusion matrix, as SVG: text that every browser shows and no library is needed
/// for.
public enum ConfusionPlot {
  private static let cell = 34
  private static let left = 150
  private static let top = 150

  /// The picture: a row for each true class that has pixels, in it the shares that were labelled as
  /// each class.
  ///
  /// - Parameters:
  ///   - confusion: The counts.
  ///   - classes: The names of its classes.
  ///   - title: Written above.
  /// - Returns: The text of an SVG file.
  public static func svg(_ confusion: Confusion, classes: [String], title: String) -> String {
    let count = confusion.classes
    let width = left + count * cell + 40
    let height = top + count * cell + 50
    var svg = """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(width) \(height)" \
      width="\(width)" height="\(height)" font-family="system-ui, sans-serif" font-size="12">
      <rect width="\(width)" height="\(height)" fill="#fff"/>
      <text x="16" y="26" font-size="16" font-weight="600">\(title.escapedForMarkup)</text>
      <text x="16" y="46" fill="#555">Rows: true class. Columns: labelled as. \
      Percent of the row's pixels.</text>

      """
    for (index, name) in classes.prefix(count).enumerated() {
      let slug = ClassNames.slug(name).escapedForMarkup
      let middle = index * cell + cell / 2
      svg += """
        <text x="\(left - 8)" y="\(top + middle + 4)" text-anchor="end">\(slug)</text>
        <text transform="translate(\(left + middle + 4) \(top - 8)) rotate(-55)">\(slug)</text>

        """
    }
    for row in 0..<count {
      let total = confusion.truePixels(row)
      for column in 0..<count {
        let (x, y) = (left + column * cell, top + row * cell)
        guard total > 0 else {
          svg +=
            "<rect x=\"\(x)\" y=\"\(y)\" width=\"\(cell)\" height=\"\(cell)\" fill=\"#eee\"/>\n"
          continue
        }
        let share = Double(confusion.counts[row * count + column]) / Double(total)
        svg += """
          <rect x="\(x)" y="\(y)" width="\(cell)" height="\(cell)" fill="\(colour(share))" \
          stroke="#fff"/>

          """
        // What rounds to nothing is left out: the picture is for the confusions that matter.
        let percent = Int((share * 100).rounded())
        if percent > 0 {
          svg += """
            <text x="\(x + cell / 2)" y="\(y + cell / 2 + 4)" text-anchor="middle" \
            fill="\(share > 0.3 ? "#fff" : "#111")">\(percent)</text>

            """
        }
      }
    }
    let note = (0..<count).contains { confusion.truePixels($0) == 0 }
    if note {
      svg += """
        <text x="\(left)" y="\(top + count * cell + 28)" fill="#555">Grey: the class is not in the \
        truth.</text>

        """
    }
    return svg + "</svg>\n"
  }

  /// White to dark blue, fast at first so that small confusions are seen.
  private static func colour(_ share: Double) -> String {
    let depth = share.squareRoot()
    func channel(_ from: Double, _ to: Double) -> UInt8 { UInt8(from + (to - from) * depth) }
    return RGB(channel(250, 8), channel(251, 48), channel(253, 107)).hex
  }
}
