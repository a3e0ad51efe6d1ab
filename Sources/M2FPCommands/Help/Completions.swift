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

extension M2FPCommand {
  /// The script that a shell loads.
  ///
  /// The parser's own, and what may follow `m2fp help`: it knows of no topics.
  static func completions(for shell: CompletionShell) -> String {
    let script = completionScript(for: shell)
    let words = (commandNames + HelpTopic.all.map(\.name)).joined(separator: " ")
    switch shell {
    case .bash:
      return script + """


        _m2fp_help() {
            COMPREPLY=($(compgen -W '\(words)' -- "${cur}"))
        }
        """
    case .zsh:
      // Functions that are loaded when they are first called end with a call of themselves.
      let start = "if [[ \"${funcstack[1]}\" = _m2fp ]]; then"
      return script.replacing(
        start,
        with: """
          _m2fp_help() {
              compadd -- \(words)
          }

          \(start)
          """)
    case .fish:
      return script
        + "\ncomplete -c m2fp -n '__fish_seen_subcommand_from help' -fa '\(words)'"
    default:
      return script
    }
  }
}
