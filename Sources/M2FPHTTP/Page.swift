/// The page for people, as it lies in `Page/`.
enum Page {
  static let files: [String: (type: String, bytes: [UInt8])] = [
    "": ("text/html; charset=utf-8", PackageResources.page_html),
    "page.js": ("text/javascript; charset=utf-8", PackageResources.page_js),
    "page.css": ("text/css; charset=utf-8", PackageResources.page_css),
    "page.svg": ("image/svg+xml", PackageResources.page_svg),
  ]

  /// Nothing is loaded from elsewhere, and no script runs but the page's own.
  static let policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    + "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
