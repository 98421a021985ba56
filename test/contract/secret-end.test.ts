import { startCluster } from "../harness/index.ts";
import { secretEndContract } from "./secret-end.contract.ts";

secretEndContract("a real cluster", startCluster);
