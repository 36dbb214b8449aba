//! What the standard `OTEL_*` variables say.
//!
//! Here is looked at what decides whether anything is sent, and where to, and at what would otherwise be a silent mistake.
//! Batches, sampling and the names of the service are read by the SDK itself.

use std::{fmt, fs, str::FromStr, time::Duration};

use hyper::http::{HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use ureq::tls::{Certificate, PemItem, parse_pem};

/// A kind of what is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// As in the names of variables.
    fn variable(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
            Self::Logs => "LOGS",
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        })
    }
}

/// What is sent to a collector.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(super) traces: Option<Target>,
    pub(super) metrics: Option<Target>,
    pub(super) logs: Option<Target>,
    /// How often metrics are sent.
    pub(super) interval: Duration,
}

/// Where one kind is sent, and how.
#[derive(Clone)]
pub(crate) struct Target {
    pub(super) signal: Signal,
    pub(super) endpoint: Uri,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) timeout: Duration,
    pub(super) gzip: bool,
    /// Who may have signed the collector's certificate; without any, the authorities that browsers trust.
    pub(super) roots: Vec<Certificate<'static>>,
}

/// Headers are passwords as a rule.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("signal", &self.signal).finish_non_exhaustive()
    }
}

const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];
const NUMBERS: [&str; 7] = [
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_BLRP_SCHEDULE_DELAY",
    "OTEL_BLRP_MAX_QUEUE_SIZE",
    "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
    INTERVAL,
];
const INTERVAL: &str = "OTEL_METRIC_EXPORT_INTERVAL";
const DEFAULT_INTERVAL: u64 = 60_000;
const DEFAULT_TIMEOUT: u64 = 10_000;

impl Settings {
    /// What the variables of this process say; or a line for each that cannot be used. None has a value that may be secret.
    pub(crate) fn from_environment() -> Result<Self, Vec<String>> {
        Self::read(&|name| std::env::var(name).ok())
    }

    fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        // As the specification has it, what is empty is not there.
        let variables = Variables(&|name| variable(name).filter(|value| !value.trim().is_empty()));
        if variables.get("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(Self::default());
        }
        let (mut settings, mut mistakes) = (Self::default(), Vec::new());
        for signal in Signal::ALL {
            let target = variables.target(signal, &mut mistakes);
            match signal {
                Signal::Traces => settings.traces = target,
                Signal::Metrics => settings.metrics = target,
                Signal::Logs => settings.logs = target,
            }
        }
        if settings.is_on() {
            for name in NUMBERS {
                variables.number(name, DEFAULT_INTERVAL, &mut mistakes);
            }
            settings.interval = Duration::from_millis(variables.number(INTERVAL, DEFAULT_INTERVAL, &mut Vec::new()));
        }
        if settings.traces.is_some() {
            variables.check_sampler(&mut mistakes);
        }
        // One variable for all kinds is one mistake.
        mistakes.sort();
        mistakes.dedup();
        if mistakes.is_empty() { Ok(settings) } else { Err(mistakes) }
    }

    /// Whether anything is sent at all.
    pub(crate) fn is_on(&self) -> bool {
        self.targets().next().is_some()
    }

    /// Of all that is sent.
    pub(super) fn targets(&self) -> impl Iterator<Item = &Target> {
        [&self.traces, &self.metrics, &self.logs].into_iter().flatten()
    }
}

/// For people, and so without anything that may be secret.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sent: Vec<String> = self.targets().map(|target| target.to_string()).collect();
        if sent.is_empty() { f.write_str("sends nothing") } else { write!(f, "sends {}", sent.join(", ")) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.signal, self.endpoint.host().unwrap_or_default())
    }
}

struct Variables<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Variables<'_> {
    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned())
    }

    /// The variable of an exporter for one kind, or else for all of them: its name and its value.
    fn of(&self, signal: Signal, what: &str) -> Option<(String, String)> {
        let names = [format!("OTEL_EXPORTER_OTLP_{}_{what}", signal.variable()), format!("OTEL_EXPORTER_OTLP_{what}")];
        names.into_iter().find_map(|name| self.get(&name).map(|value| (name, value)))
    }

    /// Where a kind is sent; nothing where it is not, or where something is wrong with that.
    fn target(&self, signal: Signal, mistakes: &mut Vec<String>) -> Option<Target> {
        let (named, endpoint) = self.of(signal, "ENDPOINT")?;
        let exporter = format!("OTEL_{}_EXPORTER", signal.variable());
        match self.get(&exporter).map(|value| value.to_ascii_lowercase()).as_deref() {
            None | Some("otlp") => {}
            Some("none") => return None,
            Some(other) => {
                mistakes.push(format!("{exporter} is {other:?}: it is otlp or none"));
                return None;
            }
        }
        // The one for all kinds is where they have their paths.
        let path = if named.contains(signal.variable()) { String::new() } else { format!("/v1/{signal}") };
        let endpoint = format!("{}{path}", if path.is_empty() { &*endpoint } else { endpoint.trim_end_matches('/') });
        let is_http = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
        let Some(endpoint) = endpoint.parse().ok().filter(is_http) else {
            mistakes.push(format!("{named} cannot be used: it is a URL such as http://localhost:4318"));
            return None;
        };
        self.check_protocol(signal, mistakes);
        Some(Target {
            signal,
            endpoint,
            headers: self.headers(signal, mistakes),
            timeout: self.timeout(signal, mistakes),
            gzip: self.gzip(signal, mistakes),
            roots: self.roots(signal, mistakes),
        })
    }

    fn check_protocol(&self, signal: Signal, mistakes: &mut Vec<String>) {
        let is_other = |(_, value): &(String, String)| !value.eq_ignore_ascii_case("http/protobuf");
        if let Some((name, value)) = self.of(signal, "PROTOCOL").filter(is_other) {
            let port = "collectors take it on port 4318 as a rule";
            mistakes.push(format!("{name} is {value:?}: this server speaks http/protobuf, and {port}"));
        }
        for what in ["CLIENT_KEY", "CLIENT_CERTIFICATE"] {
            if let Some((name, _)) = self.of(signal, what) {
                mistakes.push(format!("{name} is set: this server does not show a certificate to a collector"));
            }
        }
    }

    fn headers(&self, signal: Signal, mistakes: &mut Vec<String>) -> Vec<(HeaderName, HeaderValue)> {
        let Some((name, list)) = self.of(signal, "HEADERS") else { return Vec::new() };
        let header = |pair: &str| {
            let (name, value) = pair.split_once('=')?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            Some((HeaderName::from_str(name.trim()).ok()?, HeaderValue::from_str(&value).ok()?))
        };
        let pairs = list.split(',').filter(|pair| !pair.trim().is_empty());
        pairs.map(header).collect::<Option<_>>().unwrap_or_else(|| {
            mistakes.push(format!("{name} cannot be used: it is NAME=VALUE, more of them behind commas"));
            Vec::new()
        })
    }

    fn timeout(&self, signal: Signal, mistakes: &mut Vec<String>) -> Duration {
        let name = self.of(signal, "TIMEOUT").map(|(name, _)| name);
        Duration::from_millis(name.map_or(DEFAULT_TIMEOUT, |name| self.number(&name, DEFAULT_TIMEOUT, mistakes)))
    }

    fn gzip(&self, signal: Signal, mistakes: &mut Vec<String>) -> bool {
        let Some((name, value)) = self.of(signal, "COMPRESSION") else { return false };
        match &*value.to_ascii_lowercase() {
            "none" => false,
            "gzip" => true,
            other => {
                mistakes.push(format!("{name} is {other:?}: it is gzip or none"));
                false
            }
        }
    }

    fn roots(&self, signal: Signal, mistakes: &mut Vec<String>) -> Vec<Certificate<'static>> {
        let Some((name, path)) = self.of(signal, "CERTIFICATE") else { return Vec::new() };
        let certificate = |item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        };
        let roots: Result<Vec<_>, _> = fs::read(&path).map(|pem| parse_pem(&pem).filter_map(certificate).collect());
        match roots {
            Ok(roots) if !roots.is_empty() => return roots,
            Ok(_) => mistakes.push(format!("{name} is {path:?}: there is no certificate in it")),
            Err(error) => mistakes.push(format!("{name} is {path:?}: {error}")),
        }
        Vec::new()
    }

    fn check_sampler(&self, mistakes: &mut Vec<String>) {
        let Some(sampler) = self.get("OTEL_TRACES_SAMPLER") else { return };
        if !SAMPLERS.contains(&&*sampler) {
            mistakes.push(format!("OTEL_TRACES_SAMPLER is {sampler:?}: it is one of {}", SAMPLERS.join(", ")));
        }
        let ratio = self.get("OTEL_TRACES_SAMPLER_ARG").filter(|_| sampler.ends_with("traceidratio"));
        let is_ratio = |text: &String| text.parse().is_ok_and(|ratio: f64| (0.0..=1.0).contains(&ratio));
        if let Some(ratio) = ratio.filter(|ratio| !is_ratio(ratio)) {
            mistakes.push(format!("OTEL_TRACES_SAMPLER_ARG is {ratio:?}: it is a number from 0 to 1"));
        }
    }

    fn number(&self, name: &str, default: u64, mistakes: &mut Vec<String>) -> u64 {
        let Some(value) = self.get(name) else { return default };
        match value.parse().ok().filter(|number| (1..=i32::MAX as u64).contains(number)) {
            Some(number) => number,
            None => {
                mistakes.push(format!("{name} is {value:?}: it is a whole number, and not 0"));
                default
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
        Settings::read(&|name| variables.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned()))
    }

    fn sent(variables: &[(&str, &str)]) -> Vec<String> {
        read(variables).unwrap().targets().map(|target| target.endpoint.to_string()).collect()
    }

    #[test]
    fn only_an_endpoint_switches_it_on() {
        assert_eq!(sent(&[]), [""; 0]);
        assert_eq!(sent(&[("OTEL_SERVICE_NAME", "shop"), ("OTEL_TRACES_EXPORTER", "otlp")]), [""; 0]);
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/");
        assert_eq!(sent(&[all]), ["http://c:4318/v1/traces", "http://c:4318/v1/metrics", "http://c:4318/v1/logs"]);
        assert_eq!(sent(&[all, ("OTEL_SDK_DISABLED", "TRUE")]), [""; 0]);
        let some = [all, ("OTEL_LOGS_EXPORTER", "none"), ("OTEL_METRICS_EXPORTER", "none")];
        assert_eq!(sent(&some), ["http://c:4318/v1/traces"]);
        assert_eq!(sent(&[("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "https://c/as-it-is")]), ["https://c/as-it-is"]);
        assert_eq!(sent(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]), [""; 0]);
    }

    #[test]
    fn what_one_kind_says_goes_before_what_all_say() {
        let settings = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc, x-shop = 7"),
            ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "x-shop=8"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000"),
            ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "gzip"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "500"),
        ]);
        let Settings { traces, metrics, logs, interval } = settings.unwrap();
        let (traces, metrics, logs) = (traces.unwrap(), metrics.unwrap(), logs.unwrap());
        assert_eq!(traces.headers.len(), 2);
        assert_eq!(traces.headers[0].1, "Bearer abc");
        assert_eq!(
            (&metrics.headers[..], interval.as_millis()),
            (&[("x-shop".parse().unwrap(), "8".parse().unwrap())][..], 500)
        );
        assert_eq!((traces.timeout.as_secs(), traces.gzip, logs.gzip), (2, false, true));
        assert!(!format!("{traces:?}").contains("abc"));
    }

    #[test]
    fn mistakes_are_told_once_and_without_secrets() {
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
        let cases = [
            (&[all, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")][..], "OTEL_EXPORTER_OTLP_PROTOCOL is \"grpc\": "),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "user:hidden@c:4317")], "OTEL_EXPORTER_OTLP_ENDPOINT cannot be used: "),
            (&[all, ("OTEL_EXPORTER_OTLP_HEADERS", "hidden")], "OTEL_EXPORTER_OTLP_HEADERS cannot be used: "),
            (&[all, ("OTEL_TRACES_EXPORTER", "zipkin")], "OTEL_TRACES_EXPORTER is \"zipkin\": "),
            (&[all, ("OTEL_TRACES_SAMPLER", "some")], "OTEL_TRACES_SAMPLER is \"some\": "),
            (
                &[all, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")],
                "OTEL_TRACES_SAMPLER_ARG is \"2\": ",
            ),
            (&[all, ("OTEL_METRIC_EXPORT_INTERVAL", "0")], "OTEL_METRIC_EXPORT_INTERVAL is \"0\": "),
            (&[all, ("OTEL_BSP_MAX_QUEUE_SIZE", "-1")], "OTEL_BSP_MAX_QUEUE_SIZE is \"-1\": "),
            (
                &[all, ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere")],
                "OTEL_EXPORTER_OTLP_CERTIFICATE is \"/nowhere\": ",
            ),
        ];
        for (variables, begin) in cases {
            let told = read(variables).unwrap_err();
            assert!(told.len() == 1 && told[0].starts_with(begin) && !told[0].contains("hidden"), "{told:?}");
        }
        // Of what is not sent, nothing is asked.
        assert!(read(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).is_ok());
    }
}
