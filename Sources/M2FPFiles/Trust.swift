import CFileCalls
import Glibc
import SystemPackage

/// Whether nobody but the user who runs this, and root, can have written a file, or can put another in
/// its place.
package enum Trust {
  /// Why an open file or folder may hold what another user put there; nil if it cannot.
  package static func objection(to descriptor: FileDescriptor) -> String? {
    var status = stat()
    guard fstat(descriptor.rawValue, &status) == 0 else { return "it cannot be looked at" }
    guard owns(status) else { return "it belongs to another user" }
    if status.st_mode & S_IWOTH != 0 { return "others may write to it" }
    // Where every user has a group of his own, it may write by default.
    if status.st_mode & S_IWGRP != 0,
      !isOwnGroup(status.st_gid) || m2fp_has_access_list(descriptor.rawValue)
    {
      return "a group may write to it"
    }
    return nil
  }

  /// Whether a file belongs to the user who runs this, or to root.
  package static func owns(_ status: stat) -> Bool {
    status.st_uid == geteuid() || status.st_uid == 0
  }

  /// Whether a group is the user's primary one, bears his name and has no other member.
  private static func isOwnGroup(_ id: gid_t) -> Bool {
    guard let user = getpwuid(geteuid()), let group = getgrgid(id) else { return false }
    let name = user.pointee.pw_name
    guard let name, user.pointee.pw_gid == id, strcmp(name, group.pointee.gr_name) == 0 else {
      return false
    }
    var members = group.pointee.gr_mem
    while let member = members?.pointee {
      if strcmp(member, name) != 0 { return false }
      members = members?.advanced(by: 1)
    }
    return true
  }
}
