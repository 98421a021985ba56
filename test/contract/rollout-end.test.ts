import { startCluster } from "../harness/index.ts";
import { rolloutEndContract } from "./rollout-end.contract.ts";

rolloutEndContract("a real cluster", startCluster);
