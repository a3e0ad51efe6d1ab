/// Queue in which clients take turns: a line for each, first come first served, and one out of each
/// line after the other.
package struct FairQueue<Element> {
  private struct Line {
    var elements: [Element] = []
    var next = 0

    var isEmpty: Bool { next == elements.count }

    mutating func pop() -> Element {
      defer {
        next += 1
        // What is gone is let go of, at a cost that does not depend on the length.
        if next > 32, next * 2 > elements.count {
          elements.removeFirst(next)
          next = 0
        }
      }
      return elements[next]
    }
  }

  private var lines: [String: Line] = [:]
  /// The clients with a line, whose turn is next first.
  private var turns: [String] = []

  package init() {}

  package var isEmpty: Bool { turns.isEmpty }

  package mutating func push(_ element: Element, client: String) {
    if lines[client] == nil { turns.append(client) }
    lines[client, default: Line()].elements.append(element)
  }

  /// The next element that is still wanted; the others before it are dropped, and cost nobody's turn.
  package mutating func pop(where isWanted: (Element) -> Bool = { _ in true }) -> Element? {
    while let client = turns.first {
      let element = lines[client]?.pop()
      let isDone = lines[client]?.isEmpty ?? true
      if isDone {
        lines[client] = nil
        turns.removeFirst()
      }
      guard let element, isWanted(element) else { continue }
      if !isDone {
        turns.removeFirst()
        turns.append(client)
      }
      return element
    }
    return nil
  }
}
