//! The content rules: what to look for, and what has to follow for it to be a secret.

use super::shape::{ALNUM, Alphabet, BASE64, BASE64URL, Check, HEX, UPPER_ALNUM, UPPER_BASE32, WORD};
use super::shape::{aws_secret, azure_storage, jwt, openai, private_key, sendgrid, slack, terraform};

/// One kind of secret.
pub(super) struct Rule {
    /// Stable: what callers allow and disable by.
    pub id: &'static str,
    /// For people.
    pub about: &'static str,
    /// Cheap to look for; each begins a secret or, for some checks, is in the midst of one. What is looked for is
    /// the part behind the bar, where there is one, because its first four bytes are rarer; best with one among them
    /// that is no small letter, because the search can hardly tell small letters apart.
    pub triggers: &'static [&'static str],
    /// What decides.
    pub check: Check,
}

const fn token(alphabet: Alphabet, least: usize, most: usize) -> Check {
    Check::Token { alphabet, least, most }
}

const fn rule(
    id: &'static str,
    about: &'static str,
    triggers: &'static [&'static str],
    check: Check,
) -> Rule {
    Rule { id, about, triggers, check }
}

/// Every rule, worth having only if nothing else looks like what it finds. All that is looked for must be 64 strings
/// or fewer, with few of only three bytes: beyond that, the search is several times slower (a test watches it).
pub(super) const RULES: &[Rule] = &[
    rule("age_secret_key", "age secret key", &["AGE|-SECRET-KEY-1"], token(UPPER_ALNUM, 58, 58)),
    rule("anthropic_api_key", "Anthropic API key or session", &["sk-ant-"], token(BASE64URL, 80, 200)),
    rule("atlassian_api_token", "Atlassian API token", &["ATATT3"], token(BASE64URL, 150, 260)),
    rule("aws_access_key_id", "AWS access key id", &["AKIA", "ASIA"], token(UPPER_BASE32, 16, 16)),
    rule(
        "aws_secret_access_key",
        "AWS secret access key",
        &["secre|t_access_key", "SECRE|T_ACCESS_KEY", "ecr|etAccessKey"],
        Check::With(aws_secret),
    ),
    rule("azure_storage_key", "Azure storage account key", &["Acco|untKey="], Check::With(azure_storage)),
    rule("databricks_token", "Databricks token", &["dapi"], token(HEX, 32, 32)),
    rule("digitalocean_token", "DigitalOcean token", &["dop_v1_", "doo_v1_"], token(HEX, 64, 64)),
    rule("docker_token", "Docker Hub access token", &["dck|r_pat_"], token(BASE64URL, 27, 40)),
    rule("doppler_token", "Doppler token", &["dp.pt."], token(ALNUM, 40, 44)),
    rule("figma_token", "Figma access token", &["f|igd_"], token(BASE64URL, 38, 60)),
    rule("github_token", "GitHub token", &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], Check::Crc32),
    rule("github_fine_grained_token", "GitHub fine-grained token", &["githu|b_pat_"], token(WORD, 82, 82)),
    rule("gitlab_token", "GitLab token", &["gl|pat-", "g|lrt-"], token(BASE64URL, 20, 300)),
    rule("google_api_key", "Google API key", &["AIza"], token(BASE64URL, 35, 35)),
    rule("google_oauth_secret", "Google OAuth client secret", &["GO|CSPX-"], token(BASE64URL, 28, 28)),
    rule("grafana_token", "Grafana service account token", &["g|lsa_"], token(WORD, 41, 41)),
    rule("groq_api_key", "Groq API key", &["gsk_"], token(ALNUM, 52, 52)),
    rule("heroku_api_key", "Heroku API key", &["HRKU-AA"], token(BASE64URL, 58, 58)),
    rule("huggingface_token", "Hugging Face token", &["hf_"], token(ALNUM, 34, 34)),
    rule("jwt", "JSON Web Token, signed", &["eyJh", "eyJ0", "eyJr"], Check::With(jwt)),
    rule("linear_api_key", "Linear API key", &["li|n_api_"], token(ALNUM, 40, 40)),
    rule("new_relic_key", "New Relic user key", &["NRAK-"], token(UPPER_ALNUM, 27, 27)),
    rule("notion_token", "Notion integration token", &["ntn_"], token(ALNUM, 46, 46)),
    rule("npm_token", "npm access token", &["npm_"], Check::Crc32),
    rule("openai_api_key", "OpenAI API key", &["T3|BlbkFJ"], Check::With(openai)),
    rule("openrouter_api_key", "OpenRouter API key", &["sk-or-v1-"], token(HEX, 64, 64)),
    rule("perplexity_api_key", "Perplexity API key", &["p|plx-"], token(ALNUM, 48, 48)),
    rule("planetscale_token", "PlanetScale token or password", &["psc|ale_"], token(BASE64URL, 36, 80)),
    rule("postman_api_key", "Postman API key", &["PMAK-"], token(BASE64URL, 59, 59)),
    rule(
        "private_key",
        "private key: PEM, OpenSSH or PGP",
        &["KEY-----", "KEY BLOCK-----"],
        Check::With(private_key),
    ),
    rule("pypi_token", "PyPI upload token", &["pypi|-AgE"], token(BASE64URL, 60, 400)),
    rule("replicate_token", "Replicate API token", &["r8_"], token(ALNUM, 37, 37)),
    rule("rubygems_key", "RubyGems API key", &["rubyg|ems_"], token(HEX, 48, 48)),
    rule("sendgrid_api_key", "SendGrid API key", &["SG."], Check::With(sendgrid)),
    rule("sentry_token", "Sentry user token", &["snt|ryu_"], token(HEX, 64, 64)),
    rule("shopify_token", "Shopify token", &["sh|pat_", "sh|pss_", "sh|pca_"], token(HEX, 32, 32)),
    rule(
        "slack_token",
        "Slack token",
        &["x|oxb-", "x|oxp-", "x|oxa-", "xoxe", "xa|pp-1-"],
        Check::With(slack),
    ),
    rule(
        "slack_webhook",
        "Slack incoming webhook",
        &["hooks.slac|k.com/services/T"],
        token(Alphabet::with(ALNUM, b"/"), 40, 60),
    ),
    rule("square_secret", "Square OAuth secret", &["s|q0csp-"], token(BASE64URL, 43, 43)),
    rule("stripe_live_key", "Stripe live secret key", &["sk|_live_", "rk|_live_"], token(ALNUM, 24, 250)),
    rule("stripe_webhook_secret", "webhook signing secret", &["wh|sec_"], token(BASE64, 32, 80)),
    rule("supabase_token", "Supabase access token", &["sbp_"], token(HEX, 40, 40)),
    rule("terraform_token", "Terraform Cloud token", &[".atla|sv1."], Check::With(terraform)),
    rule("vault_token", "HashiCorp Vault token", &["hvs."], token(BASE64URL, 90, 300)),
    rule("xai_api_key", "xAI API key", &["xai-"], token(ALNUM, 80, 80)),
];
