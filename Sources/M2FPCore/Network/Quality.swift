/// How much is done for a result beyond one run of the network.
public enum Quality: String, Sendable, Codable, CaseIterable {
  /// Masks as the network gives them.
  case fast
  /// What the model's contract says: masks refined, or as they are.
  case standard
  /// Also a second run on the mirror image, left and right classes exchanged: twice the time.
  case best
}
