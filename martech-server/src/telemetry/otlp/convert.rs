//! Metrics of Prometheus as those of OTLP.

use std::time::SystemTime;

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    metrics::v1::{
        AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
        ScopeMetrics, Sum, metric::Data, number_data_point,
    },
    resource::v1::Resource,
};
use prometheus::proto::{self, LabelPair, MetricFamily, MetricType};

/// What this process is.
pub(super) fn resource(resource: &opentelemetry_sdk::Resource) -> Resource {
    let attributes = resource.iter().map(|(key, value)| text(key.as_str(), &value.as_str())).collect();
    Resource { attributes, ..Resource::default() }
}

pub(super) fn request(resource: Resource, metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    let scope = InstrumentationScope { name: super::NAME.to_owned(), ..InstrumentationScope::default() };
    let scope = ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() };
    let of_resource =
        ResourceMetrics { resource: Some(resource), scope_metrics: vec![scope], ..ResourceMetrics::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![of_resource] }
}

/// Counters are sums, zero at `since`, that only grow; names stay as they are, so that the same alerts hold.
pub(super) fn metrics(families: &[MetricFamily], since: SystemTime, now: SystemTime) -> Vec<Metric> {
    let times = Times { since: nanos(since), now: nanos(now) };
    families.iter().filter_map(|family| times.metric(family)).collect()
}

struct Times {
    since: u64,
    now: u64,
}

impl Times {
    fn metric(&self, family: &MetricFamily) -> Option<Metric> {
        let samples = family.get_metric();
        let cumulative = AggregationTemporality::Cumulative as i32;
        let data = match family.get_field_type() {
            MetricType::COUNTER => Data::Sum(Sum {
                data_points: samples
                    .iter()
                    .map(|sample| self.number(sample, sample.get_counter().get_value()))
                    .collect(),
                aggregation_temporality: cumulative,
                is_monotonic: true,
            }),
            MetricType::GAUGE => Data::Gauge(Gauge {
                data_points: samples.iter().map(|sample| self.number(sample, sample.get_gauge().get_value())).collect(),
            }),
            MetricType::HISTOGRAM => Data::Histogram(Histogram {
                data_points: samples.iter().map(|sample| self.histogram(sample)).collect(),
                aggregation_temporality: cumulative,
            }),
            // This server has none of another kind.
            _ => return None,
        };
        let (name, description) = (family.name().to_owned(), family.help().to_owned());
        let unit = unit(&name).to_owned();
        Some(Metric { name, description, unit, data: Some(data), ..Metric::default() })
    }

    fn number(&self, sample: &proto::Metric, value: f64) -> NumberDataPoint {
        NumberDataPoint {
            attributes: labels(sample.get_label()),
            start_time_unix_nano: self.since,
            time_unix_nano: self.now,
            value: Some(number_data_point::Value::AsDouble(value)),
            ..NumberDataPoint::default()
        }
    }

    /// Prometheus counts what is at most as much as a bound; OTLP what is between two of them, and what is beyond the last.
    fn histogram(&self, sample: &proto::Metric) -> HistogramDataPoint {
        let histogram = sample.get_histogram();
        let count = histogram.get_sample_count();
        let buckets = histogram.get_bucket().iter().filter(|bucket| bucket.upper_bound().is_finite());
        let (mut explicit_bounds, mut bucket_counts, mut before) = (Vec::new(), Vec::new(), 0);
        for bucket in buckets {
            explicit_bounds.push(bucket.upper_bound());
            bucket_counts.push(bucket.cumulative_count().saturating_sub(before));
            before = bucket.cumulative_count();
        }
        bucket_counts.push(count.saturating_sub(before));
        HistogramDataPoint {
            attributes: labels(sample.get_label()),
            start_time_unix_nano: self.since,
            time_unix_nano: self.now,
            count,
            sum: Some(histogram.get_sample_sum()),
            bucket_counts,
            explicit_bounds,
            ..HistogramDataPoint::default()
        }
    }
}

/// As the name says it.
fn unit(name: &str) -> &'static str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    if name.ends_with("_seconds") {
        "s"
    } else if name.ends_with("_bytes") {
        "By"
    } else {
        ""
    }
}

fn labels(labels: &[LabelPair]) -> Vec<KeyValue> {
    labels.iter().map(|label| text(label.name(), label.value())).collect()
}

fn text(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn each_kind_has_its_counterpart() {
        let registry = Registry::new();
        let counter = IntCounterVec::new(Opts::new("sent_bytes_total", "Sent."), &["to", "as"]).unwrap();
        let gauge = IntGauge::new("open", "Open.").unwrap();
        let opts = HistogramOpts::new("took_seconds", "Took.").buckets(vec![1.0, 2.0, 4.0]);
        let histogram = HistogramVec::new(opts, &[]).unwrap();
        registry.register(Box::new(counter.clone())).unwrap();
        registry.register(Box::new(gauge.clone())).unwrap();
        registry.register(Box::new(histogram.clone())).unwrap();
        counter.with_label_values(&["x", "y"]).inc_by(7);
        gauge.set(-3);
        for took in [0.5, 1.0, 1.5, 3.0, 9.0, 10.0] {
            histogram.with_label_values::<&str>(&[]).observe(took);
        }

        let metrics = metrics(&registry.gather(), at(1), at(5));
        let names: Vec<_> = metrics.iter().map(|metric| (&*metric.name, &*metric.unit)).collect();
        assert_eq!(names, [("open", ""), ("sent_bytes_total", "By"), ("took_seconds", "s")]);
        let Some(Data::Gauge(open)) = &metrics[0].data else { panic!("{:?}", metrics[0]) };
        assert_eq!(open.data_points[0].value, Some(number_data_point::Value::AsDouble(-3.0)));
        let Some(Data::Sum(sent)) = &metrics[1].data else { panic!("{:?}", metrics[1]) };
        assert!(sent.is_monotonic && sent.aggregation_temporality == AggregationTemporality::Cumulative as i32);
        let point = &sent.data_points[0];
        assert_eq!(point.value, Some(number_data_point::Value::AsDouble(7.0)));
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (1_000_000_000, 5_000_000_000));
        assert_eq!(point.attributes, [text("as", "y"), text("to", "x")]);
        let Some(Data::Histogram(took)) = &metrics[2].data else { panic!("{:?}", metrics[2]) };
        let point = &took.data_points[0];
        assert_eq!((&point.explicit_bounds[..], &point.bucket_counts[..]), (&[1.0, 2.0, 4.0][..], &[2, 1, 1, 2][..]));
        assert_eq!((point.count, point.sum), (6, Some(25.0)));
    }
}
