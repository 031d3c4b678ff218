"""What a call costs: ours beside a plain integration, ChatOpenAI and a bare socket."""
