extension String {
  /// The text with some of its scalars replaced.
  ///
  /// Scalar by scalar: a mark that joins the character before it would hide that from a comparison of
  /// characters.
  ///
  /// - Parameter replacement: What stands for a scalar; nil for the scalar itself.
  /// - Returns: The text to write.
  package func escaped(_ replacement: (Unicode.Scalar) -> String?) -> String {
    var result = String.UnicodeScalarView()
    for scalar in unicodeScalars {
      if let text = replacement(scalar) {
        result.append(contentsOf: text.unicodeScalars)
      } else {
        result.append(scalar)
      }
    }
    return String(result)
  }

  /// The text within the text or an attribute of HTML or XML.
  package var escapedForMarkup: String {
    escaped { scalar in
      switch scalar {
      case "&": "&amp;"
      case "<": "&lt;"
      case ">": "&gt;"
      case "\"": "&quot;"
      case "'": "&#39;"
      // XML has none of these, not even escaped.
      case "\0"..."\u{8}", "\u{B}", "\u{C}", "\u{E}"..."\u{1F}", "\u{FFFE}", "\u{FFFF}": "\u{FFFD}"
      default: nil
      }
    }
  }
}
