import Foundation

/// Changes single values in a JSON text, also to such as no Swift number can be.
package enum JSONEdit {
  /// The text with another value at a path of keys and indices, `persons.0.box.2`.
  ///
  /// - Parameters:
  ///   - path: Where; a last key that is not there is added.
  ///   - value: The value's text.
  ///   - json: A whole document.
  /// - Returns: The document on one line, keys sorted.
  /// - Throws: What the parser says of a text that is no JSON.
  package static func setting(_ path: String, to value: String, in json: Data) throws -> Data {
    let place = "a place that no value bears"
    let changed = set(
      path.split(separator: ".")[...], in: try JSONSerialization.jsonObject(with: json), to: place)
    let text = try JSONSerialization.data(
      withJSONObject: changed, options: [.sortedKeys, .withoutEscapingSlashes])
    return Data(
      String(decoding: text, as: UTF8.self).replacingOccurrences(of: "\"\(place)\"", with: value)
        .utf8)
  }

  private static func set(_ path: ArraySlice<Substring>, in value: Any, to new: String) -> Any {
    guard let key = path.first else { return new }
    if var list = value as? [Any], let index = Int(key) {
      list[index] = set(path.dropFirst(), in: list[index], to: new)
      return list
    }
    var object = value as? [String: Any] ?? [:]
    object[String(key)] = set(path.dropFirst(), in: object[String(key)] ?? [:], to: new)
    return object
  }
}
