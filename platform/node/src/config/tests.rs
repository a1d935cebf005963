//! What a configuration may say.

mod a_configuration {
    use crate::config::*;

    fn read(text: &str) -> Result<Config, ConfigError> {
        let mut config = Config::new(Path::new("x"));
        let file: File = toml::from_str(text).map_err(|error| malformed(text, &error))?;
        file.change(&mut config)?;
        Ok(config)
    }

    #[test]
    fn changes_only_what_it_names() {
        let config = read("strict = true\n[task]\ntimeout_ms = 50\n").unwrap();
        assert_eq!(config.strictness, Strictness::Refuse);
        assert_eq!(config.task.wall, Duration::from_millis(50));
        assert_eq!(config.task.fuel, Config::new(Path::new("x")).task.fuel);
        assert_ne!(config.digest(), Config::new(Path::new("x")).digest());
    }

    #[test]
    fn says_what_shows_in_words_of_a_list() {
        let config = read("[release]\ntimes = \"100ms\"\n").unwrap();
        assert_eq!(config.release.to_string(), "sizes powers, times 100ms, failures told");
        assert_ne!(config.digest(), Config::new(Path::new("x")).digest());
        let error = read("[release]\nsizes = \"8k\"\n").unwrap_err().to_string();
        assert!(error.starts_with("`release.sizes` is one of exact, padme"), "{error}");
    }

    #[test]
    fn says_who_may_be_beside_whom() {
        let config = read("[workers]\ncohosting = \"tenant_exclusive_core\"\n").unwrap();
        assert_eq!(config.workers.cohosting, Cohosting::TenantExclusiveCore);
        assert_ne!(config.digest(), Config::new(Path::new("x")).digest());
        assert!(read("[workers]\ncohosting = \"exclusive\"\n").is_err());
    }

    #[test]
    fn with_an_unknown_key_is_refused_with_its_line() {
        let error = read("strict = true\nspeed = 9\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("speed"), "{error}");
    }

    #[test]
    fn that_is_no_table_is_refused_in_words_of_the_file() {
        let error = read("\ncluster = \"127.0.0.1:1\"\n").unwrap_err().to_string();
        let line = error.strip_prefix("line 2, column 11: ");
        assert!(line.is_some_and(|what| what.ends_with("expected a table, as in [cluster]")));
    }

    #[test]
    fn tells_others_an_address_that_they_can_reach() {
        let told = |listen: &str, advertise: Option<&str>| {
            let cluster = Cluster::at(listen.parse().unwrap());
            Cluster { advertise: advertise.map(str::to_owned), ..cluster }.told()
        };
        assert_eq!(told("127.0.0.1:7", None).unwrap(), "127.0.0.1:7");
        assert!(matches!(told("0.0.0.0:7", None), Err(ConfigError::Unreachable)));
        for good in ["n1:7", "n1.example.:7", "10.0.0.1:7", "[::1]:7", "pod_1.svc:65535"] {
            assert_eq!(told("0.0.0.0:7", Some(good)).unwrap(), good);
        }
        for bad in [
            "",
            "n1",
            "n1:0",
            "n1:+7",
            "n1:65536",
            ":7",
            "0.0.0.0:7",
            "[::]:7",
            "::1:7",
            "a b:7",
            "a..b:7",
        ] {
            assert!(matches!(told("127.0.0.1:7", Some(bad)), Err(ConfigError::Advertise)), "{bad}");
        }
    }

    #[test]
    fn names_what_carries_the_group() {
        let carrier = |more: &str| {
            let config = read(&format!("[cluster]\nlisten = \"127.0.0.1:1\"\n{more}"));
            config.map(|config| config.cluster.unwrap().carrier)
        };
        assert_eq!(carrier("").unwrap(), Carrier::Tcp);
        assert_eq!(carrier("fabric = \"tcp\"").unwrap(), Carrier::Tcp);
        let libfabric = carrier("fabric = \"libfabric\"").unwrap();
        assert_eq!(libfabric, Carrier::Libfabric(Provider::Tcp));
        let verbs = carrier("fabric = \"libfabric\"\nprovider = \"verbs\"").unwrap();
        assert_eq!(verbs, Carrier::Libfabric(Provider::Verbs));
        for alone in ["provider = \"shm\"", "fabric = \"tcp\"\nprovider = \"shm\""] {
            assert!(matches!(carrier(alone), Err(ConfigError::ProviderAlone)));
        }
        assert!(carrier("fabric = \"carrier pigeon\"").is_err());
    }

    #[test]
    fn outside_its_bounds_is_refused_by_name() {
        let error = read("[workers]\nidle = 0\n").unwrap_err().to_string();
        assert_eq!(error, "`workers.idle` must be between 1 and 256");
        assert!(read("[task]\ntimeout_ms = 9\ntimeout_ms_max = 5\n").is_err());
    }
}
