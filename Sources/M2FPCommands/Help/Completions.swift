import ArgumentParser
import M2FPCore
import M2FPInference

/// What shells offer for options whose values the parser cannot know.
extension CompletionKind {
  /// Installed models; a file can be typed as well.
  static var models: CompletionKind {
    .custom { _, _, _ in ModelLocator.standard.archives.map(ModelLocator.name) }
  }

  /// A list of classes, one name after the other; those of the default model.
  static var classList: CompletionKind {
    .custom { _, _, typed in
      let contract = try? ModelLocator.standard.open(.named(ModelLocator.defaultModel)).contract
      let slugs = (contract?.classes ?? []).dropFirst().map(ClassNames.slug)
      guard let comma = typed.lastIndex(of: ",") else { return ["all", "none"] + slugs }
      let chosen = typed[...comma]
      return slugs.filter { !chosen.split(separator: ",").contains(Substring($0)) }.map {
        chosen + $0
      }
    }
  }
}
