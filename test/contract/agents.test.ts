import { agentContract } from "./agents/agents.contract.ts";

agentContract("vault", "vault");
agentContract("openbao", "bao");
