// Reads Kubernetes resources as a JSON list, and prints what their published schemas have against them.
import { readFileSync } from 'node:fs';

const packages = { 'monitoring.coreos.com': '@kubernetes-models/prometheus-operator' };

for (const resource of JSON.parse(readFileSync(0, 'utf8'))) {
  const { apiVersion, kind } = resource;
  const group = apiVersion.includes('/') ? apiVersion.split('/')[0] : '';
  const { [kind]: Model } = await import(`${packages[group] ?? 'kubernetes-models'}/${apiVersion}/${kind}`);
  try {
    new Model(resource).validate();
  } catch (error) {
    console.log(`${kind} ${resource.metadata?.name}: ${error.message}`);
  }
}
