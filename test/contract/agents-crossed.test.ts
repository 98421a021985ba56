import { agentContract } from "./agents/agents.contract.ts";

// A fleet that moves to OpenBao changes its servers and the images of its pods at different times.
agentContract("openbao", "vault");
agentContract("vault", "bao");
