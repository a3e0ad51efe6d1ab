import M2FPCore
import TestSupport
import Testing

@testable import M2FPServe

struct ServiceMetricsTests {
  @Test func allSeriesOfAClosedSetAreThereFromTheStart() {
    var text = PrometheusText()
    ServiceMetrics().write(into: &text)
    for photo in ServiceMetrics.Photo.allCases {
      #expect(text.text.contains("m2fp_photos_total{result=\"\(photo.rawValue)\"} 0\n"))
    }
    #expect(text.text.contains("m2fp_workers_replaced_total 0\n"))
    #expect(text.text.contains("# TYPE m2fp_photos_total counter\n"))
  }

  @Test func whatIsCountedIsWritten() {
    let metrics = ServiceMetrics()
    metrics.count(Rejection.queue(retryAfter: 3))
    metrics.count(FileFailure(stage: .decode, code: .truncated, message: ""))
    metrics.count(route: "/v1/parse", method: "POST", code: 200, seconds: 0.02)
    metrics.add(0.5, stage: "queue")
    var text = PrometheusText()
    metrics.write(into: &text)
    for line in [
      #"m2fp_photos_total{result="rejected"} 1"#, #"m2fp_rejected_total{reason="queue"} 1"#,
      #"m2fp_failures_total{stage="decode",code="truncated"} 1"#,
      #"m2fp_http_requests_total{route="/v1/parse",method="POST",code="200"} 1"#,
      #"m2fp_http_request_duration_seconds_bucket{route="/v1/parse",le="0.025"} 1"#,
      #"m2fp_stage_seconds_count{stage="queue"} 1"#,
    ] {
      #expect(text.text.contains(line + "\n"))
    }
  }
}
