"""What ``btllm init`` writes into ``configs/llm.yaml``."""

STARTER = """\
# Settings of the model runtime. The environment (and a file .env) overrides what stands here:
# LLM_BACKEND, LLM_MODEL, LLM_INSTRUCT_MODEL_PATH, LLM_TEMPERATURE, LLM_MAX_TOKENS, LLM_TIMEOUT_S, LOG_LEVEL, and
# LLM_NAME for every other setting.

# Who answers: local_llama runs a GGUF file on this machine, through gpt4all; llama_cpp through llama.cpp, which also
# scores choices (pip install xllamacpp); openai asks a server that speaks like OpenAI; ollama, vllm,
# lmstudio, llama_server, together, groq, deepseek, openrouter and mistral are openai at their usual address; bedrock
# asks AWS; ensemble lets several vote; replay gives the answers of a finished run again, or those on record.
# A class of your own answers as "mine.py:MyBackend": a path from this file's folder, and a class with
# generate(prompt, **kwargs); what stands under its name (MyBackend: {endpoint: ..., api_key: "${MY_API_KEY}"}) is given
# to its constructor.
backend: local_llama

# Name of a model that `btllm models pull` brings, or a GGUF file, by its path or its name in the cache folder.
model: smollm2-135m

# 0 is greedy: the same question gets the same answer.
temperature: 0.0

# Seed of the sampler, where the temperature is above 0: openai sends it, llama_cpp draws by it; local_llama and bedrock
# know none. Every further draw (evaluation.draws) has a seed that follows from it. Left out: a new one each time.
# seed: 7

# Longest free answer, in tokens.
max_tokens: 512

# Whether answers are JSON where a call does not say.
json_mode: false

# Seconds after which an answer is given up: all attempts, fallbacks and the repair of an answer among them.
timeout_s: 30

# Longest prompt and answer together, in tokens; more costs memory.
context_tokens: 4096

# Processor threads. Left out: as many as are fastest when the model is loaded.
# threads: 2

# true: one slot, a fixed number of threads and fixed batches, and every question read anew, so that on one machine an
# answer depends on nothing but the question. Slower, for llama_cpp and local_llama alone; other backends can promise
# nothing and are refused. What strict answers is recorded apart from what was answered without it.
strict: false

# DEBUG, INFO, WARNING or ERROR.
log_level: WARNING

# Option of local_llama alone: what computes. cpu, or a graphics card: cuda (NVIDIA; pip install 'gpt4all[cuda]'),
# kompute (any with a Vulkan driver), metal (Apple silicon). One that is not there is an error.
# local_llama:
#   device: cpu

# Options of llama_cpp alone: answers under way at once (above 1 greedy is no longer reproducible), layers on the
# graphics card (-1 for all), a LoRA adapter.
# llama_cpp:
#   slots: 1
#   gpu_layers: 0
#   lora: adapter.gguf

# Price of a million tokens, read and written, for the audit log and budgets in money. Left out: unpriced. Under the
# name of a backend or in an ensemble's member they are its own; a fallback has no others.
# price_in: 0.15
# price_out: 0.60

# Where a script notes every call of the model. Runs note theirs in audit.jsonl in their own folder.
# audit_file: audit.jsonl

# A model of AWS Bedrock; region, profile and credentials are found the AWS way where they are left out (the region from
# AWS_REGION, AWS_DEFAULT_REGION, or the profile). What a model does not take is found out by asking.
# bedrock:
#   model: anthropic.claude-3-haiku-20240307-v1:0
#   region: eu-central-1
#   json: prompt                # or tool: the model hands its answer to a tool with a schema
#   omit_temperature: true      # for models that take none; left out: found out
# What follows is for backends over a network (openai), and for any backend that has a fallback.

# Attempts at a question, all of them within timeout_s; and seconds after which one is given up (left out: never). A
# backend or an address that has others behind it gives up after its even share of the time that is left.
attempts: 4
# attempt_timeout_s: 10

# Seconds before the second attempt; each further one waits twice as long, up to the longest. A server's Retry-After
# goes before, up to the longest.
backoff_s: 0.5
backoff_max_s: 20

# After so many failed decisions in a row (0: never) so many go without the backend before it is tried again.
breaker_failures: 5
breaker_pause: 20

# Backends that answer where this one fails, in their order. (A rule in place of a model: advisor.fallback in the
# experiment.) Each has its share of timeout_s: with one fallback a backend has half of it, and the fallback what is
# left. Options of a backend stand under its name and may be settings, too: local_llama: {threads: 1}
# A run whose openai server is gone from the start begins with the fallback where answer_format and reported_model are
# set, or noted when the server last answered.
# fallback: [local_llama]

# A server that speaks like OpenAI. Left out: the model above, LLM_BASE_URL and LLM_API_KEY (or OPENAI_BASE_URL and
# OPENAI_API_KEY) of the environment. The same may stand under the name of a service, such as groq: or ollama:
# openai:
#   model: gpt-4o-mini
#   base_url: [http://127.0.0.1:8080/v1, http://127.0.0.1:8081/v1]
#   api_key: ${MY_API_KEY}
#   concurrency: 8
#   answer_format: json_schema      # or json_object, or plain; left out: found out by asking
#   reported_model: gpt-4o-mini-2024-07-18      # left out: found out by asking
#   omit_temperature: false         # true for models that take none; left out: found out with the two above
#   merge_system: false             # true for templates without a system role; left out: found out with the others
#   reasoning_effort: low           # for models that think before they write; they need a larger max_tokens, too

# Whose answers backend replay gives: a run folder, or the backend whose recorded answers are meant. No model is asked.
# replay_from: reports/sp500-daily-1a2b3c4d

# Several models that vote on label and action by majority. Where all members score choices (llama_cpp) vote: average is
# the mean of their probabilities; a written answer gives its label none, and average then counts a majority too.
# ensemble:
#   members: [local_llama, {backend: openai, model: gpt-4o-mini}]
#   vote: majority
"""
"""The commented text of a fresh ``configs/llm.yaml``; its values are the defaults."""
